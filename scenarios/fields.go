package scenarios

import "time"

// fileFields is the one table of everything that a scenario file can say. The loader reads by it, the JSON Schema and the
// authoring guide are generated from it.
func fileFields(s *Scenario) []field {
	return []field{
		{"name", true, "The file's name without .yaml.", scenarioName(&s.Name)},
		{"title", true, "One line for lists and reports: what happens.", line(&s.Title, 120)},
		{"source", true, "The public account that this replays, with its date; or `ours`.", line(&s.Source, 200)},
		{"incident", false, "The story of the documented failure, which `lunchrush explain` tells.", group(incidentFields(&s.Incident))},
		{"clock", true, "The scenario's time of day, and how much faster than real it passes.", group(clockFields(&s.Clock))},
		{"fleet", true, "What stands in the street.", group(fleetFields(&s.Fleet))},
		{"demand", true, "The rate of new orders over the clock.", group(demandFields(&s.Demand))},
		{"buyers", false, "What buyers do. Shares of all buyers; the rest pay once.", group(buyersFields(&s.Buyers))},
		{"payments", false, "How the payment channels behave.", group(paymentsFields(&s.Payments))},
		{"machines", false, "What machines do with a dispense command. Shares of all orders; the rest dispense and report.", group(machinesFields(&s.Machines))},
		{"upstream", false, "How the service's upstreams answer: how late, and with what errors.", group(upstreamFields(&s.Upstream))},
		{"browse", false, "Buyers who look at prices, beside the orders.", group(browseFields(&s.Browse))},
		{"reprice", false, "An operator who changes prices while buyers look.", group(repriceFields(&s.Reprice))},
		{"bid", false, "A lot of units that many want at once.", group(saleFields(&s.Sale))},
		{"messages", false, "Machines' readings, which reach the service through a message queue.", group(messagesFields(&s.Messages))},
		{"uploads", false, "Callers who must upload again what an upgrade has voided.", group(uploadsFields(&s.Uploads))},
		{"topology", false, "Processes of each role. Left out: one process with every role.", group(topologyFields(&s.Topology))},
		{"database", false, "What the scenario asks of MySQL.", group(databaseFields(&s.Database))},
		{"faults", false, "What breaks, when, and for how long.", listOf(&s.Faults, faultsMax, func() Fault { return Fault{} }, faultFields)},
		{"kick", false, "A lull near the end, to a tenth of the load: tells a service held down by its own retries from a broken one.", group(kickFields(&s.Kick))},
		{"service", false, "Switches of the service, and of the balancer (slb.slow_start, slb.check), set for both sides.", switches(&s.Service)},
		{"as-was", false, "Switches set on top for the as-was side: what brings the documented failure back.", switches(&s.AsWas)},
		{"sides", false, "Further sides, which prove runs after the two.", listOf(&s.Sides, sidesMax, func() Side { return Side{Times: 1} }, sideFields)},
		{"expect", true, "What must hold for a run to pass.", conditions(&s.Expect)},
		{"signature", false, "What must hold for an as-was run to be the documented failure.", conditions(&s.Signature)},
		{"drain", false, "How long after the last order the books may stay open, at most. Left out: the refund deadline and 30s.", period(&s.Drain, time.Second, time.Hour)},
		{"needs", false, "What the testbed must have; `redis` is one with a memory limit and a pause.", words(&s.Needs, "containers", "innodb", "redis", "replica")},
		{"places", false, "How many of the places of `prove --abreast` it takes: more than 1 where many sends or many processes would disturb a neighbour.", numberOf(&s.Places, 1, placesMax)},
		{"alone", false, "`yes`: `prove --all` plays nothing beside it, since it takes the machine or its figures suffer from company.", yesNo(&s.Alone)},
	}
}

func incidentFields(i *Incident) []field {
	return []field{
		{"happened", true, "What the account says, with its figures.", line(&i.Happened, storyMax)},
		{"mechanism", true, "Why it came to that.", line(&i.Mechanism, storyMax)},
		{"cure", true, "What the hardened side does instead.", line(&i.Cure, storyMax)},
		{"code", true, "The functions that hurt and those that heal.", codePlaces(&i.Code)},
	}
}

func clockFields(c *Clock) []field {
	return []field{
		{"from", true, "When the plan begins.", timeOfDay(&c.From)},
		{"to", true, "When it ends. Past midnight the hours go on: 24:30.", timeOfDay(&c.To)},
		{"speed", false, "How many times faster than real the demand passes. Time-outs, ladders and rates stay real.", numberOf(&c.Speed, speedMin, speedMax)},
	}
}

func fleetFields(f *Fleet) []field {
	return []field{
		{"machines", true, "How many machines.", numberOf(&f.Machines, 1, machinesMax)},
		{"slots", false, "Slots of each machine.", numberOf(&f.Slots, 1, slotsMax)},
		{"stock", false, "Pieces in each slot at the start.", numberOf(&f.Stock, 1, stockMax)},
		{"price_fen", false, "What a piece costs, in fen; each slot draws its own from the range.", prices(&f.PriceFen)},
		{"poll", false, "How long a machine's long poll waits.", period(&f.Poll, time.Second, time.Minute)},
		{"beat", false, "How often a machine sends a heartbeat.", period(&f.Beat, time.Second, time.Hour)},
	}
}

func demandFields(d *Demand) []field {
	return []field{
		{"per_machine_hour", true, "Orders of one machine in an hour, outside peaks.", numberOf(&d.PerMachineHour, 0, perHourMax)},
		{"peaks", false, "When demand is higher (or lower) than that. Overlapping peaks add up.", listOf(&d.Peaks, peaksMax, newPeak, peakFields)},
		{"arrivals", false, "`even` spacing for gates, `poisson` for capacity and stability.", oneOf(&d.Arrivals, "even", "poisson")},
		{"capacity", false, "Orders a second that the service can carry, calculated or measured: what recovery is compared with. Changes nothing in the play.", numberOf(&d.Capacity, 0.1, rateMax)},
	}
}

func kickFields(k *Kick) []field {
	return []field{
		{"at", true, "When the load falls, on the scenario's clock: a minute or more after the last fault.", timeOfDay(&k.At)},
		{"for", true, "How long, in real time: at least the model's drain time.", period(&k.For, time.Second, time.Hour)},
	}
}

func peakFields(p *Peak) []field {
	return []field{
		{"from", true, "When the rate begins to rise.", timeOfDay(&p.From)},
		{"to", true, "When it is back.", timeOfDay(&p.To)},
		{"times", true, "The rate in the peak, as a multiple of per_machine_hour. Below 1 it is a lull.", numberOf(&p.Times, 0, timesMax)},
		{"ramp", false, "How long the rise and the fall take, within the peak, on the scenario's clock.", period(&p.Ramp, 0, durationMax)},
	}
}

func buyersFields(b *Buyers) []field {
	return []field{
		{"abandon", false, "Share that never pays.", fraction(&b.Abandon)},
		{"late", false, "Share that pays after the service's payment window has closed.", fraction(&b.Late)},
		{"twice", false, "Share that pays the same order a second time by the other channel.", fraction(&b.Twice)},
		{"patience", false, "How long a buyer waits for the answer to his order.", period(&b.Patience, 100*time.Millisecond, time.Minute)},
		{"tries", false, "How often in all a buyer asks who gets no answer, 429 or 5xx. Each try is a new order, as of a page loaded again.", numberOf(&b.Tries, 1, triesMax)},
		{"again", false, "How long he takes to ask again.", period(&b.Again, 0, time.Minute)},
	}
}

func paymentsFields(p *Payments) []field {
	return []field{
		{"wechat", false, "Share of WeChat Pay. Together with alipay 100%.", fraction(&p.WeChat)},
		{"alipay", false, "Share of Alipay.", fraction(&p.Alipay)},
		{"think", false, "From the order's answer to the payment.", delay(&p.Think)},
		{"notify", false, "How a channel tells of a payment.", group(notifyFields(&p.Notify))},
		{"probes", false, "Signature tests and forged notifies, as a share of payments.", fraction(&p.Probes)},
	}
}

func notifyFields(n *Notify) []field {
	return []field{
		{"delay", false, "From the payment to the first notify.", delay(&n.Delay)},
		{"duplicates", false, "Share of payments whose notify is sent twice.", fraction(&n.Duplicates)},
		{"apart", false, "How far apart the two are. 0s is the same moment.", delay(&n.Apart)},
		{"lost", false, "Share of payments whose notify never comes: delivery is not guaranteed.", fraction(&n.Lost)},
		{"ladder", false, "How an unanswered notify is sent again; `channel` is each channel's own ladder.", oneOf(&n.Ladder, "alipay", "channel", "short", "wechat-v3")},
		{"timeout", false, "How long a channel waits for the answer.", period(&n.Timeout, 100*time.Millisecond, time.Minute)},
	}
}

func machinesFields(m *Machines) []field {
	return []field{
		{"dispense", false, "From the command to the drop.", delay(&m.Dispense)},
		{"fail", false, "Share where nothing falls, and the machine says so.", fraction(&m.Fail)},
		{"late", false, "Share where the drop takes late_by.", fraction(&m.Late)},
		{"late_by", false, "How long a late drop takes.", delay(&m.LateBy)},
		{"lost_result", false, "Share whose result is never sent; the next heartbeat tells it.", fraction(&m.LostResult)},
		{"offline", false, "Share whose machine stops polling from the moment of the payment.", fraction(&m.Offline)},
		{"offline_for", false, "For how long it does.", delay(&m.OfflineFor)},
	}
}

func upstreamFields(u *Upstreams) []field {
	return []field{
		{"create", false, "A channel creating a payment.", answers(&u.Create)},
		{"query", false, "A channel answering a query, or a close.", answers(&u.Query)},
		{"refund", false, "A channel refunding.", answers(&u.Refund)},
		{"identity", false, "The unionid look-up.", answers(&u.Identity)},
		{"identity_threads", false, "Worker threads of the look-up's service; what finds none waits. Left out: no limit.", numberOf(&u.IdentityThreads, 1, 10_000)},
		{"identity_asks_front", false, "`yes`: a thread asks front about the buyer, and waits for that, before the look-up is answered.", yesNo(&u.IdentityAsksFront)},
	}
}

func topologyFields(t *Topology) []field {
	return []field{
		{"front", false, "Processes that take orders.", numberOf(&t.Front, 1, processesMax)},
		{"gate", false, "Processes that take notifies.", numberOf(&t.Gate, 1, processesMax)},
		{"shop", false, "Processes that hold shop data.", numberOf(&t.Shop, 1, processesMax)},
		{"notifier", false, "Processes that push to machines.", numberOf(&t.Notifier, 1, processesMax)},
		{"jobs", false, "Processes that run refunds and remedies.", numberOf(&t.Jobs, 1, processesMax)},
		{"gate_connections", false, "Connections from the balancer to the gates, all channels together. Left out: no limit.", numberOf(&t.GateConnections, 2, connectionsMax)},
		{"cpus", false, "Cores of one process. Left out: no limit.", numberOf(&t.CPUs, 0.1, 1024)},
		{"memory_mib", false, "Memory of one process. Left out: no limit.", numberOf(&t.MemoryMiB, 16, 1<<20)},
		{"balancer", false, "How the load balancer before the processes spreads what comes.", group(balancerFields(&t.Balancer))},
		{"health", false, "Who asks the processes behind the balancer whether they are well, and starts those again that are not. Left out: nobody.", group(healthFields(&t.Health))},
	}
}

func databaseFields(d *Database) []field {
	return []field{
		{"max_connections", false, "MySQL's limit. Left out: its own default, 151.", numberOf(&d.MaxConnections, 5, connectionsMax)},
		{"replica_delay", false, "How far its replica is behind, in whole seconds; needs: [replica]. Left out: not at all.", period(&d.ReplicaDelay, 0, 10*time.Minute)},
	}
}

func faultFields(f *Fault) []field {
	return []field{
		{"at", true, "When it begins, on the scenario's clock.", timeOfDay(&f.At)},
		{"for", true, "How long it lasts, in real time.", period(&f.For, time.Millisecond, durationMax)},
		{"on", true, "What it breaks.", word(&f.On)},
		{"inject", true, "How. Further keys are this fault's parameters.", word(&f.Inject)},
		{"every", false, "Again each time that so much real time has passed since it began. A fault that has an every of its own keeps it unless times or until is given.", period(&f.Every, 0, durationMax)},
		{"times", false, "How often in all, with every.", numberOf(&f.Times, 1, repeatsMax)},
		{"until", false, "Before when the last repetition begins, with every, on the scenario's clock. Left out, as times is: the clock's end.", timeOfDay(&f.Until)},
	}
}
