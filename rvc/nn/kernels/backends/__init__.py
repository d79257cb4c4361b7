"""The backends that compute the products of the networks, and the choice among them."""
