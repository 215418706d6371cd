"""The group coordinator's state machine under thousands of simulated members, failures and jumping clocks.

Everything that happens comes out of one seed: no sockets, no event loop, no real time. `world` puts it together.

    python -m tests.simulation --seed 123 --steps 20000
"""
