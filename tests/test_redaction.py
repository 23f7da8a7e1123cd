"""Keys, tokens and the bucket's name are kept out of texts."""

import pytest

from nightlights.redaction import HIDDEN, redact

PLANTED = "planted" + "Secret"
KEY = f"-----BEGIN PRIVATE KEY-----\n{PLANTED}\nMIIE\n-----END PRIVATE KEY-----"


@pytest.mark.parametrize(
    "text",
    [
        f'{{"private_key": "{KEY}"}}',
        f"cut off: -----BEGIN RSA PRIVATE KEY-----\n{PLANTED}",
        f"ya29.a0{PLANTED}-_x",
        f"Authorization: Bearer {PLANTED}.x/y=",
        f"refresh_token=1//0{PLANTED}abcdefghijkl",
    ],
)
def test_keys_and_tokens_are_hidden(text: str) -> None:
    hidden = redact(text)
    assert PLANTED not in hidden
    assert HIDDEN in hidden


def test_named_secrets_are_hidden_the_longer_first() -> None:
    assert redact("gs://lights-of-night/lights/x", ["lights", "lights-of-night"]) == (
        f"gs://{HIDDEN}/{HIDDEN}/x"
    )


def test_everything_else_stays() -> None:
    text = "The bucket does not exist. Name another on the Home page."
    assert redact(text, ["", "ab"]) == text
