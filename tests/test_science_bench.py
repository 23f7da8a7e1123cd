"""The short form of the table by which pictures are judged: it trains nothing, and runs by default."""

from pathlib import Path

import pytest

HELD = ("chi-square", "tenth", "scan lines", "spread within")
"""Parts of the names of figures that hold in any one city; the others are means over many."""


def test_the_short_table_judges_the_model_that_ships(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import science
    from judging import Row

    monkeypatch.setenv("NIGHTLIGHTS_MODELS", str(Path(__file__).parents[1] / "models"))
    shown: list[tuple[str, ...]] = []

    def keep(title: str, headings: object, rows: object, note: str) -> None:
        shown.extend(rows)  # type: ignore[arg-type]
        print(note)

    monkeypatch.setattr(science, "print_table", keep)
    assert science.main(["--short", "--only", "planet", "scale"]) == 0
    note = capsys.readouterr().out
    assert "simulated" in note and "version" in note and "seed" in note
    for part in HELD:
        found = [cells for cells in shown if part in cells[0]]
        assert found and all(cells[3] == "yes" for cells in found), (part, found)
    ratios = [float(cells[2]) for cells in shown if "sharpened / bicubic VIIRS, RMSE" in cells[0]]
    assert len(ratios) == 3 and max(ratios) < 0.9
    (real,) = (cells for cells in shown if "real light" in cells[0])
    assert real[2:4] == ("not measured", "–")
    assert Row.of_seeds("", 0.5, [0.4, 0.9], worst=0.8).reached is False
    assert Row.of_seeds("", 0.5, [0.4, 0.4, 0.7], worst=0.8).reached is True
