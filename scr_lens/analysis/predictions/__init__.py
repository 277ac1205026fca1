"""The paper's empirical claims (EF1, P1-P4, the overall gain), each one function that returns a verdict."""
