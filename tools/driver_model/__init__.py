"""The builder of the driver model: downloads releases of the drivers, reads their sources, writes the package's data."""
