"""What must hold for hours, under faults and under load: short forms in the suite, long ones by `make soak`."""
