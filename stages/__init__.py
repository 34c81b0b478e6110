"""The stages that Penstock ships."""

STAGES: tuple[type, ...] = ()
