package claviger.interop;

import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.security.MessageDigest;
import java.time.DateTimeException;
import java.time.Duration;
import java.time.Instant;
import java.util.Base64;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;

/**
 * The symmetric signature of the Standard Webhooks specification, {@code v1}: HMAC-SHA256 over
 * {@code id.timestamp.body}, in base64. Stateless; {@link #sign} and {@link #verify} may be called from any thread.
 */
final class Signature {
    /** How far a message's time may lie from ours, either way. */
    static final Duration TOLERANCE = Duration.ofMinutes(5);

    private static final String SECRET_PREFIX = "whsec_";
    private static final String VERSION = "v1,";

    private final SecretKeySpec secret;

    /** @param secret {@code whsec_} and the key in base64 */
    Signature(String secret) {
        if (!secret.startsWith(SECRET_PREFIX)) {
            throw new IllegalArgumentException("the secret does not begin with " + SECRET_PREFIX);
        }
        byte[] key = Base64.getDecoder().decode(secret.substring(SECRET_PREFIX.length()));
        this.secret = new SecretKeySpec(key, "HmacSHA256");
    }

    /** The value of {@code webhook-signature} for a message. */
    String sign(String id, String timestamp, byte[] body) {
        try {
            Mac mac = Mac.getInstance("HmacSHA256");
            mac.init(secret);
            mac.update((id + "." + timestamp + ".").getBytes(StandardCharsets.UTF_8));
            return VERSION + Base64.getEncoder().encodeToString(mac.doFinal(body));
        } catch (GeneralSecurityException e) {
            throw new IllegalStateException("every Java platform has HmacSHA256", e);
        }
    }

    /**
     * Whether a message is fresh and one of its signatures ({@code webhook-signature} may hold several, parted by
     * spaces, while a secret is being rotated) is ours. Missing headers are null.
     */
    boolean verify(String id, String timestamp, String signatures, byte[] body, Instant now) {
        if (id == null || timestamp == null || signatures == null || !isFresh(timestamp, now)) {
            return false;
        }
        byte[] expected = sign(id, timestamp, body).getBytes(StandardCharsets.UTF_8);
        boolean found = false;
        for (String signature : signatures.split(" ")) {
            found |= MessageDigest.isEqual(expected, signature.getBytes(StandardCharsets.UTF_8));
        }
        return found;
    }

    private static boolean isFresh(String timestamp, Instant now) {
        try {
            Instant sent = Instant.ofEpochSecond(Long.parseLong(timestamp));
            return Duration.between(sent, now).abs().compareTo(TOLERANCE) <= 0;
        } catch (ArithmeticException | DateTimeException | NumberFormatException e) {
            return false;
        }
    }
}
