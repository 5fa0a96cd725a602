"""The two-layer paper's evaluation: Table 1 and Fig. 5, measured with the roles and contracts themselves."""
