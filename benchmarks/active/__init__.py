"""The simulation of active learning: data, learner, curves and what they add up to."""
