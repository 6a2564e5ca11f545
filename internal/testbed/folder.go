package testbed

import (
	"errors"
	"os"
)

// A Folder is a temporary folder that [Clean] removes when the process that made it was killed.
type Folder struct {
	Path   string
	ledger *ledger
}

// NewFolder makes a folder for what name says, [a-z0-9-]. Remove must be called.
func NewFolder(name string) (_ *Folder, err error) {
	l, err := openLedger(name)
	if err != nil {
		return nil, err
	}
	f := &Folder{ledger: l}
	if f.Path, err = os.MkdirTemp("", folderPrefix+name+"-"); err != nil {
		return nil, errors.Join(err, l.close())
	}
	if err := l.add(entry{Folder: f.Path}); err != nil {
		return nil, errors.Join(err, f.Remove())
	}
	return f, nil
}

// Remove removes the folder with all that is in it.
func (f *Folder) Remove() error {
	if err := os.RemoveAll(f.Path); err != nil {
		return err // the ledger stays, for the next sweep
	}
	return f.ledger.close()
}
