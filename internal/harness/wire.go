package harness

import (
	"fmt"

	"go.yaml.in/yaml/v3"

	"github.com/lunchrush/lunchrush/internal/testbed"
	"github.com/lunchrush/lunchrush/scenarios"
	"github.com/lunchrush/lunchrush/service"
	"github.com/lunchrush/lunchrush/simulator"
)

// wire connects the service to the stack's databases and to the simulator's channels.
func wire(cfg *service.Config, stack testbed.Stack, up simulator.ServiceSettings) {
	cfg.MySQL = service.MySQL{DSN: service.Secret(stack.DSN()), ReplicaDSN: service.Secret(stack.ReplicaDSN())}
	cfg.Redis = service.Redis{Cache: stack.CacheRedis(), Queue: stack.QueueRedis()}
	cfg.WeChat = service.WeChatAccess{
		BaseURL: up.WeChatURL,
		APIKey:  service.Secret(up.WeChatAPIKey),
		AppID:   up.WeChatAppID,
		MchID:   up.WeChatMchID,
		V3Key:   service.Secret(up.WeChatV3Key),
		Platform: map[string]string{
			up.WeChatSerial:      up.WeChatCertificate,
			up.WeChatPublicKeyID: up.WeChatPublicKey,
		},
	}
	cfg.Alipay = service.AlipayAccess{
		BaseURL:   up.AlipayURL,
		APIKey:    service.Secret(up.AlipayAPIKey),
		AppID:     up.AlipayAppID,
		SellerID:  up.AlipaySellerID,
		PublicKey: up.AlipayPublicKey,
	}
	cfg.Identity.URL = up.IdentityURL
	cfg.Risk.URL = up.RiskURL
	cfg.Intake = service.IntakeAccess{QueueURL: up.QueueURL, MeteringURL: up.MeteringURL}
}

// marshal is the configuration as the service's process reads it on stdin, keys included: it must go nowhere else.
func marshal(cfg *service.Config) ([]byte, error) {
	text, err := yaml.Marshal(cfg)
	if err != nil {
		return nil, fmt.Errorf("writing the service's configuration: %w", err)
	}
	return text, nil
}

// switched are the switches that differ from the hardened profile, for the report.
func switched(cfg *service.Config, sc *scenarios.Scenario, side string) map[string]any {
	hardened := service.Default().Effective()
	differ := make(map[string]any)
	for key, value := range cfg.Effective() {
		if value != hardened[key] {
			differ[key] = value
		}
	}
	// The balancer's, as the scenario writes them.
	for key, value := range sc.Service {
		if scenarios.ForBalancer(key) {
			differ[key] = value
		}
	}
	for key, value := range sc.AsWas {
		if scenarios.ForBalancer(key) && side == AsWas {
			differ[key] = value
		}
	}
	return differ
}
