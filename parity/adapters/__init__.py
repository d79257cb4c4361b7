"""Adapters that ship with the judge: programs that speak its protocol, to be judged and to be copied from."""
