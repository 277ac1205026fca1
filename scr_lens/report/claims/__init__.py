"""The claims of the paper: one claim is one function from evidence to a result."""
