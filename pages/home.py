"""Home."""

from nightlights.interface.state import page_header

page_header("Earth at Night in HD", "Night-time radiance at 30 m from daytime satellite imagery.", True)
