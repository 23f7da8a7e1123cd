"""What a page shows: the thing that the visitor chose, kept in the address of the page."""

from collections.abc import Sequence

import streamlit as st


def chosen(label: str, options: Sequence[str], key: str, *, meaning: str | None = None) -> str:
    """A select box whose choice is part of the page's address, so that a reload or a link keeps it.

    Parameters
    ----------
    options:
        At least one; the first is chosen at the beginning.
    key:
        Name in the address, for example ``run``.
    meaning:
        Shown when the pointer rests on the label.
    """
    known = st.session_state.get(key)
    if known is None:
        # The address may name one.
        st.session_state.pop(key, None)
    elif known not in options:
        # Set, so that the browser shows it: a value that is only taken away stays on the screen.
        st.session_state[key] = options[0]
    return st.selectbox(label, options, key=key, help=meaning, bind="query-params")


def chosen_before(key: str, options: Sequence[str]) -> str | None:
    """What :func:`chosen` will return further down the page, or None without any option."""
    wanted = st.session_state.get(key, st.query_params.get(key))
    return wanted if wanted in options else next(iter(options), None)
