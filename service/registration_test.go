package service_test

import (
	"testing"

	"github.com/lunchrush/lunchrush/service"
)

func TestWhatAProcessAnnounces(t *testing.T) {
	const own = "127.0.3.9:8080"
	tests := []struct{ name, address, hosts, want string }{
		{"itself", service.Self, "127.0.3.1 front-1", own},
		{"what the hosts file says of its name", service.HostsFile, "127.0.0.1 localhost\n127.0.3.1  front-1.shop front-1 # the old one", "127.0.3.1:8080"},
		{"of several lines the first", service.HostsFile, "127.0.3.1 front-1\n127.0.3.2 front-1", "127.0.3.1:8080"},
		{"itself when the file has nothing", service.HostsFile, "127.0.3.1 front-11\n# 127.0.3.1 front-1\n\n127.0.3.1", own},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := service.Default()
			c.Registry = service.RegistryAccess{Identity: "front-1", Hosts: tt.hosts}
			c.Switches.Registry.Address = tt.address
			if got := c.Announced(own); got != tt.want {
				t.Errorf("announced %s, want %s", got, tt.want)
			}
		})
	}
	if got := service.OwnIdentity("front-1", own); got != "front-1.127-0-3-9-8080" {
		t.Errorf("a clone calls itself %s", got)
	}
}
