package runlog

import "testing"

func TestAMachineIsTheSameUnderAKernelThatKeepsMoreForItself(t *testing.T) {
	machine := Fingerprint{CPU: "a processor", Cores: 2, Memory: 8123456 << 10, OS: "linux/amd64", Go: "go1.26.8"}
	with := func(change func(*Fingerprint)) Fingerprint {
		f := machine
		change(&f)
		return f
	}
	tests := []struct {
		name  string
		other Fingerprint
		want  string
	}{
		{"itself", machine, ""},
		{"some megabytes less", with(func(f *Fingerprint) { f.Memory -= 20 << 20 }), ""},
		{"twice the memory", with(func(f *Fingerprint) { f.Memory *= 2 }), "memory in MiB: 15360, here 8192"},
		{"hardly any", with(func(f *Fingerprint) { f.Memory = 500 << 20 }), "memory in MiB: 512, here 8192"},
		{"another processor", with(func(f *Fingerprint) { f.CPU = "another" }), "processor: another, here a processor"},
		{"more cores and another Go", with(func(f *Fingerprint) { f.Cores, f.Go = 4, "go1.27" }), "cores: 4, here 2; Go: go1.27, here go1.26.8"},
		{"another system", with(func(f *Fingerprint) { f.OS = "linux/arm64" }), "system: linux/arm64, here linux/amd64"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := machine.Differs(tt.other); got != tt.want || machine.Same(tt.other) != (tt.want == "") || tt.other.Same(machine) != (tt.want == "") {
				t.Errorf("%q, the same: %v; want %q", got, machine.Same(tt.other), tt.want)
			}
		})
	}
}
