"""Tests of trained networks, as BasicSR's test_pipeline does them."""
