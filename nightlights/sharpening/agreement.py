"""How well light agrees with what VIIRS measured, in the measure of the noise."""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

_SIGMAS: Final = 2.0


@dataclass(frozen=True)
class Agreement:
    """Residuals of the observed light in units of their standard deviation, over all measured pixels.

    Attributes
    ----------
    chi_square:
        Mean of their squares: 1 for the true light; much less means that noise was fitted.
    within_two_sigma:
        Share of pixels that lie within two standard deviations: 0.954 for the true light.
    pixels:
        How many were measured; of none, the other two are NaN.
    """

    chi_square: float
    within_two_sigma: float
    pixels: int

    @classmethod
    def of(
        cls,
        observed: NDArray[np.floating[Any]],
        measured: NDArray[np.floating[Any]],
        sigma: NDArray[np.floating[Any]],
    ) -> "Agreement":
        """How well ``observed`` agrees with ``measured``.

        Parameters
        ----------
        observed, measured, sigma:
            Shape (height, width), nW/cm2/sr: light as VIIRS would see it, what VIIRS measured, and the
            standard deviation of that. Pixels where one of them is NaN do not count.

        Examples
        --------
        >>> import numpy as np
        >>> Agreement.of(np.array([[1.0, 2.0]]), np.array([[1.0, 5.0]]), np.ones((1, 2)))
        Agreement(chi_square=4.5, within_two_sigma=0.5, pixels=2)
        """
        residuals = (np.asarray(observed, np.float64) - measured) / sigma
        residuals = residuals[np.isfinite(residuals)]
        if not residuals.size:
            return cls(float("nan"), float("nan"), 0)
        within = float(np.mean(np.abs(residuals) <= _SIGMAS))
        return cls(float(np.mean(residuals**2)), within, residuals.size)
