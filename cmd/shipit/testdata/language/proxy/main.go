// Package main is what examples of the language build.
package main

func main() {}
