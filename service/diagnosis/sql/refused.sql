-- Notifications that were not taken, by reason: signtest is the channel's own probe, unknown a notify that overtook its order. Any
-- number of signature, replayed or amount is somebody's try, or a key that was changed on one side only.
SELECT channel, reason, COUNT(*) AS refused, MAX(create_time) AS latest
FROM notify_refused
GROUP BY channel, reason
ORDER BY refused DESC, channel, reason;
