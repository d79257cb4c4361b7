"""Whether the converter and the judge withstand damaged and hostile files, kills, and parallel runs."""
