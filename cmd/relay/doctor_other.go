//go:build !linux

package main

// segmentation reports whether this is Linux, and whether its kernel cuts datagrams.
func segmentation() (linux, works bool) { return false, false }
