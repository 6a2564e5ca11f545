//go:build !linux

package main

import "syscall"

// childAttributes are none where the kernel ends no children with their parent.
func childAttributes() *syscall.SysProcAttr { return nil }
