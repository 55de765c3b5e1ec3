package main

import (
	"context"
	"errors"
)

// practice returns the path of the practice ISO.
func practice(context.Context, *terminal) (string, error) {
	return "", &exit{exitPrecondition, errors.New("this mkimage has no practice ISO")}
}
