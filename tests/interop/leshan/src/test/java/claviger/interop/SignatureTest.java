package claviger.interop;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.time.Instant;
import org.junit.jupiter.api.Test;

/** The message and signature are the example that the Standard Webhooks libraries share. */
class SignatureTest {
    private static final String ID = "msg_p5jXN8AQM9LWM0D4loKWxJek";
    private static final String TIME = "1614265330";
    private static final Instant NOW = Instant.ofEpochSecond(1614265330);
    private static final byte[] BODY = "{\"test\": 2432232314}".getBytes(UTF_8);
    private static final String SIGNED = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";

    private final Signature signature = new Signature("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");

    @Test
    void signsAsTheSpecificationDoes() {
        assertEquals(SIGNED, signature.sign(ID, TIME, BODY));
    }

    @Test
    void takesOneOfSeveralSignatures() {
        assertTrue(signature.verify(ID, TIME, "v1,AAAA " + SIGNED, BODY, NOW));
    }

    @Test
    void refusesAnotherBody() {
        assertFalse(signature.verify(ID, TIME, SIGNED, "{}".getBytes(UTF_8), NOW));
    }

    @Test
    void refusesAnotherId() {
        assertFalse(signature.verify("msg_2", TIME, SIGNED, BODY, NOW));
    }

    @Test
    void refusesAMissingHeader() {
        assertFalse(signature.verify(ID, TIME, null, BODY, NOW));
    }

    @Test
    void takesFiveMinutesEitherWayAndNoMore() {
        assertTrue(signature.verify(ID, TIME, SIGNED, BODY, NOW.plusSeconds(300)));
        assertTrue(signature.verify(ID, TIME, SIGNED, BODY, NOW.minusSeconds(300)));
        assertFalse(signature.verify(ID, TIME, SIGNED, BODY, NOW.plusSeconds(301)));
        assertFalse(signature.verify(ID, TIME, SIGNED, BODY, NOW.minusSeconds(301)));
    }

    @Test
    void refusesATimeThatIsNoTime() {
        for (String time : new String[] {"", "soon", "9223372036854775807", "-9223372036854775808"}) {
            assertFalse(signature.verify(ID, time, signature.sign(ID, time, BODY), BODY, NOW), time);
        }
    }
}
