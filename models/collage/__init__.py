"""Collage Diffusion (Sarukkai et al., WACV 2024)."""
