"""The networks that the stages own; sizes come from the weights, arithmetic from docs/spec."""
