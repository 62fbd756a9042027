"""The study of predictors (White et al. 2021): how well each ranks networks, and at which price; a program."""
