"""Compilation of a bundle for NPUs and microcontrollers: network, compilers, proof, new bundle."""
