package claviger.interop;

import java.io.IOException;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.Map;
import java.util.UUID;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;

/**
 * Tells Claviger that a credential was used, by a signed POST to the URL that came with it. At least once: a report
 * that got no 2xx is repeated each second, five times in all, under the same {@code webhook-id}.
 */
final class UseReports {
    private static final int ATTEMPTS = 5;
    private static final Duration TIMEOUT = Duration.ofSeconds(10);

    private final Map<String, Staged> byIdentity = new ConcurrentHashMap<>();
    private final ScheduledExecutorService sender = Executors.newSingleThreadScheduledExecutor();
    private final HttpClient http = HttpClient.newBuilder()
            .version(HttpClient.Version.HTTP_1_1)
            .connectTimeout(TIMEOUT)
            .build();
    private final Signature signature;
    private final Clock clock;

    UseReports(Signature signature, Clock clock) {
        this.signature = signature;
        this.clock = clock;
    }

    void expect(Staged staged) {
        byIdentity.put(staged.identity(), staged);
    }

    /** A device has registered under this PSK identity. Returns at once. */
    void used(String identity) {
        Staged staged = byIdentity.get(identity);
        if (staged == null) {
            System.out.println("report none " + identity);
            return;
        }
        Instant usedAt = clock.instant().truncatedTo(ChronoUnit.SECONDS);
        String id = "msg_" + UUID.randomUUID();
        sender.execute(() -> attempt(staged, id, "{\"used_at\":\"" + usedAt + "\"}", 1));
    }

    private void attempt(Staged staged, String id, String body, int attempt) {
        String result = post(staged, id, body);
        System.out.println("report " + staged.credential() + " " + result);
        if (!result.startsWith("2") && attempt < ATTEMPTS) {
            sender.schedule(() -> attempt(staged, id, body, attempt + 1), 1, TimeUnit.SECONDS);
        }
    }

    /** The status, or the name of what went wrong. */
    private String post(Staged staged, String id, String body) {
        String timestamp = Long.toString(clock.instant().getEpochSecond());
        HttpRequest request = HttpRequest.newBuilder(staged.useUrl())
                .timeout(TIMEOUT)
                .header("content-type", "application/json")
                .header("webhook-id", id)
                .header("webhook-timestamp", timestamp)
                .header("webhook-signature", signature.sign(id, timestamp, body.getBytes(StandardCharsets.UTF_8)))
                .POST(BodyPublishers.ofString(body))
                .build();
        try {
            return Integer.toString(http.send(request, BodyHandlers.discarding()).statusCode());
        } catch (IOException e) {
            return e.getClass().getSimpleName();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return "interrupted";
        }
    }
}
