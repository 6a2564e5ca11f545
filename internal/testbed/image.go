package testbed

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"debug/elf"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/moby/moby/client"
)

// serviceRepository names the images of the service; each executable has its own tag.
const serviceRepository = "lunchrush/service"

// labelService is on every image of the service.
const labelService = "io.github.lunchrush.service"

// requireStatic refuses an executable that would not start in an image without a C library.
func requireStatic(path string) error {
	file, err := elf.Open(path)
	if err != nil {
		return fmt.Errorf("%s: not a Linux executable, so it cannot run in a container: %w", path, err)
	}
	defer func() { _ = file.Close() }()
	for _, p := range file.Progs {
		if p.Type == elf.PT_INTERP {
			return fmt.Errorf("%s is dynamically linked, and the service's container has no C library; build it with CGO_ENABLED=0", path)
		}
	}
	return nil
}

// staticSelf is requireStatic for this very program, which is the service unless a [Spec] says otherwise.
func staticSelf() error {
	self, err := Self()
	if err != nil {
		return err
	}
	return requireStatic(self)
}

// serviceImage builds an image from nothing but the executable, unless there is one of the same executable already, and
// returns its name.
func (e *engine) serviceImage(ctx context.Context, binary string) (string, error) {
	sum, err := fileSum(binary)
	if err != nil {
		return "", err
	}
	name := serviceRepository + ":" + sum[:16]
	if _, err := e.ImageInspect(ctx, name); err == nil {
		return name, nil
	} else if !cerrdefs.IsNotFound(err) {
		return "", err
	}
	content, err := os.ReadFile(binary)
	if err != nil {
		return "", err
	}
	recipe := "FROM scratch\nCOPY lunchrush /lunchrush\nENTRYPOINT [\"/lunchrush\"]\n"
	var files bytes.Buffer
	archive := tar.NewWriter(&files)
	for _, f := range []struct {
		name string
		mode int64
		data []byte
	}{{"Dockerfile", 0o644, []byte(recipe)}, {"lunchrush", 0o755, content}} {
		if err := archive.WriteHeader(&tar.Header{Name: f.name, Mode: f.mode, Size: int64(len(f.data))}); err != nil {
			return "", err
		}
		if _, err := archive.Write(f.data); err != nil {
			return "", err
		}
	}
	if err := archive.Close(); err != nil {
		return "", err
	}
	built, err := e.ImageBuild(ctx, &files, client.ImageBuildOptions{
		Tags: []string{name}, Remove: true, ForceRemove: true, Labels: map[string]string{labelService: sum},
	})
	if err != nil {
		return "", err
	}
	if err := buildErrors(built.Body); err != nil {
		return "", err
	}
	return name, e.removeOldImages(ctx, name)
}

// buildErrors reads the builder's messages: a build that went wrong is answered with 200.
func buildErrors(body io.ReadCloser) error {
	defer func() { _ = body.Close() }()
	messages := json.NewDecoder(body)
	for {
		var m struct{ Error string }
		err := messages.Decode(&m)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if m.Error != "" {
			return errors.New(m.Error)
		}
	}
}

// keptImages is how many images of the service stay: a developer makes one with each build.
const keptImages = 5

func (e *engine) removeOldImages(ctx context.Context, keep string) error {
	found, err := e.ImageList(ctx, client.ImageListOptions{Filters: client.Filters{}.Add("label", labelService)})
	if err != nil {
		return err
	}
	for i, image := range found.Items { // newest first
		if i < keptImages || len(image.RepoTags) == 1 && image.RepoTags[0] == keep {
			continue
		}
		// One that a container uses cannot be removed, and need not be.
		_, _ = e.ImageRemove(ctx, image.ID, client.ImageRemoveOptions{PruneChildren: true})
	}
	return nil
}

func fileSum(path string) (string, error) {
	file, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer func() { _ = file.Close() }()
	sum := sha256.New()
	if _, err := io.Copy(sum, file); err != nil {
		return "", err
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}
