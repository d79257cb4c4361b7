"""The stages that a pipeline computes inline, each alone: stand-ins answer what comes before and after it."""
