package harness

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// NewFolder makes a folder below runs for what began at a moment and is called so: "20261120-115600-peak-lunch-hardened". It is nobody
// else's: of two that begin in one second the second has a number behind its name.
func NewFolder(runs string, at time.Time, name string) (string, error) {
	if err := os.MkdirAll(runs, 0o755); err != nil {
		return "", err
	}
	base := filepath.Join(runs, at.Format("20060102-150405")+"-"+name)
	for i := range 100 {
		dir := base
		if i > 0 {
			dir += "-" + strconv.Itoa(i+1)
		}
		err := os.Mkdir(dir, 0o755)
		if err == nil || !errors.Is(err, fs.ErrExist) {
			return dir, err
		}
	}
	return "", fmt.Errorf("%s: a hundred of this second are there already", base)
}
