// SPDX-License-Identifier: Apache-2.0
// gopher: main.main -> main.descend (ten times) -> main.burn, and a goroutine
// main.allocate -> main.list, which makes the runtime switch to its system stack.
package main

import (
	"fmt"
	"os"
)

var sink int

//go:noinline
func burn() {
	for i := 0; i < 100000; i++ {
		sink ^= i
	}
}

//go:noinline
func descend(depth int) {
	if depth > 1 {
		descend(depth - 1)
	} else {
		burn()
	}
	sink++
}

type node struct {
	next *node
	data [4]int
}

//go:noinline
func list() *node {
	var head *node
	for i := 0; i < 1000; i++ {
		head = &node{next: head}
	}
	return head
}

//go:noinline
func allocate(out chan *node) {
	var kept *node
	for {
		kept = list()
		if kept == nil {
			out <- kept
		}
	}
}

func main() {
	go allocate(make(chan *node))
	fmt.Println("ready")
	os.Stdout.Sync()
	for {
		descend(10)
	}
}
