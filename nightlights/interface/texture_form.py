"""The part of the training form that asks for texture networks."""

import streamlit as st


def ask_for_texture() -> dict[str, object]:
    """Draw the field and return what was chosen, by the name of the setting."""
    number = st.number_input(
        "Texture networks (0 for none)",
        0,
        16,
        key="train_texture_networks",
        persist_state="session",
        help="The network above predicts how much light each VIIRS footprint holds. Texture networks look at "
        "single pixels and place that light within the footprint, without checkerboards or frames. Each is "
        "trained as long as the network itself, in about half the time or less. The scores show each part "
        "alone and both together.",
    )
    return {"texture_networks": int(number)}
