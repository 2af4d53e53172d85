package claviger.interop;

import com.fasterxml.jackson.databind.JsonNode;
import java.net.URI;

/** What {@code credential.staged} tells an LwM2M server: whom to expect, with which key, whom to tell of its use. */
record Staged(String endpoint, String credential, String identity, byte[] key, URI useUrl) {
    static final String TYPE = "credential.staged";

    /** @throws IllegalArgumentException if a member is missing or malformed; the message names it, not its value */
    static Staged parse(JsonNode message) {
        JsonNode data = message.path("data");
        if (!text(data, "/security_mode").equals("psk")) {
            throw new IllegalArgumentException("/data/security_mode is not one this server takes");
        }
        return new Staged(
                text(data, "/endpoint"),
                text(data, "/credential"),
                text(data, "/psk/identity"),
                Hex.parse("/data/psk/key", text(data, "/psk/key")),
                useUrl(text(data, "/use_url")));
    }

    /** The key stays out of logs. */
    @Override
    public String toString() {
        return "Staged[endpoint=%s, credential=%s, identity=%s, ..]".formatted(endpoint, credential, identity);
    }

    private static String text(JsonNode data, String pointer) {
        JsonNode value = data.at(pointer);
        if (!value.isTextual() || value.textValue().isEmpty()) {
            throw new IllegalArgumentException("/data" + pointer + " is not a text");
        }
        return value.textValue();
    }

    private static URI useUrl(String text) {
        URI url = URI.create(text);
        if (!"http".equals(url.getScheme()) && !"https".equals(url.getScheme())) {
            throw new IllegalArgumentException("/data/use_url is not an http or https URL");
        }
        return url;
    }
}
