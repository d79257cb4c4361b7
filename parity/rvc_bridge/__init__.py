"""Our own `rvc` as candidate and as source of counterfactuals; beside mutants the only importer of `rvc`."""
