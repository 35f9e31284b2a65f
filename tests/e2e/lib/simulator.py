class Simulator:
    pass
