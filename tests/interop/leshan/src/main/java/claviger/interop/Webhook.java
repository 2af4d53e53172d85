package claviger.interop;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpHandler;
import java.io.IOException;
import java.time.Clock;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;
import org.eclipse.leshan.servers.security.EditableSecurityStore;
import org.eclipse.leshan.servers.security.NonUniqueSecurityInfoException;
import org.eclipse.leshan.servers.security.SecurityInfo;

/**
 * Takes Claviger's webhook and puts the credential into Leshan's store, so that the device is known before it is
 * told. Answers 204 when the message is taken or was taken before, 401 to a bad signature or time, 400 to a body it
 * cannot use, 409 if another endpoint has the identity, 405 and 413 as usual. Not concurrent: {@code HttpServer}
 * without an executor calls it from one thread.
 */
final class Webhook implements HttpHandler {
    private static final int LONGEST_BODY = 64 * 1024;
    private static final int REMEMBERED = 10_000;

    private final Signature signature;
    private final EditableSecurityStore store;
    private final UseReports reports;
    private final Clock clock;
    private final ObjectMapper json = new ObjectMapper();
    private final Set<String> taken = Collections.newSetFromMap(new LinkedHashMap<>() {
        private static final long serialVersionUID = 1;

        @Override
        protected boolean removeEldestEntry(Map.Entry<String, Boolean> eldest) {
            return size() > REMEMBERED;
        }
    });

    Webhook(Signature signature, EditableSecurityStore store, UseReports reports, Clock clock) {
        this.signature = signature;
        this.store = store;
        this.reports = reports;
        this.clock = clock;
    }

    @Override
    public void handle(HttpExchange exchange) throws IOException {
        try (exchange) {
            int status = answer(exchange);
            exchange.sendResponseHeaders(status, -1);
        }
    }

    private int answer(HttpExchange exchange) throws IOException {
        if (!exchange.getRequestMethod().equals("POST")) {
            return refuse(405, "method " + exchange.getRequestMethod());
        }
        byte[] body = exchange.getRequestBody().readNBytes(LONGEST_BODY + 1);
        if (body.length > LONGEST_BODY) {
            return refuse(413, "body too long");
        }
        var headers = exchange.getRequestHeaders();
        String id = headers.getFirst("webhook-id");
        String timestamp = headers.getFirst("webhook-timestamp");
        if (!signature.verify(id, timestamp, headers.getFirst("webhook-signature"), body, clock.instant())) {
            return refuse(401, "signature or time");
        }
        return take(id, body);
    }

    private int take(String id, byte[] body) throws IOException {
        if (taken.contains(id)) {
            System.out.println("webhook repeated " + id);
            return 204;
        }
        try {
            JsonNode message = json.readTree(body);
            String type = message.path("type").asText();
            if (type.equals(Staged.TYPE)) {
                add(Staged.parse(message));
            } else {
                System.out.println("webhook ignored " + type);
            }
        } catch (JsonProcessingException e) {
            return refuse(400, "not JSON");
        } catch (IllegalArgumentException e) {
            return refuse(400, e.getMessage());
        } catch (NonUniqueSecurityInfoException e) {
            return refuse(409, e.getMessage());
        }
        taken.add(id);
        return 204;
    }

    private void add(Staged staged) throws NonUniqueSecurityInfoException {
        // The store has one credential an endpoint, so this replaces what data.replaces names.
        store.add(SecurityInfo.newPreSharedKeyInfo(staged.endpoint(), staged.identity(), staged.key()));
        reports.expect(staged);
        System.out.println("webhook staged " + staged.endpoint() + " " + staged.credential());
    }

    private static int refuse(int status, String reason) {
        System.out.println("webhook refused " + status + " " + reason);
        return status;
    }
}
