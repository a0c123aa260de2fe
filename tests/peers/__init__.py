"""The other ends of the wire: programs and services Bullpen talks to, played by ourselves on the loopback interface."""
