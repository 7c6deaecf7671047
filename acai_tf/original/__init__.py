"""Runs of the original TensorFlow 1 program.

It kept a run in <train_dir>/<dataset>/<class>_<setting><value>_.../tf/model.ckpt-N.*; the settings
of the model are in the folder's name and nowhere else.
"""
