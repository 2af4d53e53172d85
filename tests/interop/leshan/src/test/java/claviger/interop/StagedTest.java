package claviger.interop;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import org.junit.jupiter.api.Test;

class StagedTest {
    private static final String MESSAGE = """
            {"type":"credential.staged","timestamp":"2026-11-24T18:00:00Z","data":{
             "tenant":"default","device":"pump-1","endpoint":"urn:dev:pump-1",
             "credential":"00112233445566778899aabbccddeeff","server_uri":"coaps://127.0.0.1:5685",
             "short_server_id":123,"security_mode":"psk","psk":{"identity":"id-1","key":"c0ffee"},
             "replaces":[],"use_url":"http://127.0.0.1:8080/use"}}
            """;

    @Test
    void readsAStagedCredential() throws JsonProcessingException {
        Staged staged = parse(MESSAGE);

        assertEquals("urn:dev:pump-1", staged.endpoint());
        assertEquals("00112233445566778899aabbccddeeff", staged.credential());
        assertEquals("id-1", staged.identity());
        assertArrayEquals(new byte[] {(byte) 0xc0, (byte) 0xff, (byte) 0xee}, staged.key());
        assertEquals("http://127.0.0.1:8080/use", staged.useUrl().toString());
    }

    @Test
    void refusesAMessageWithOneThingWrong() {
        refuses("\"endpoint\":\"urn:dev:pump-1\",", "");
        refuses("\"security_mode\":\"psk\"", "\"security_mode\":\"x509\"");
        refuses("\"identity\":\"id-1\"", "\"identity\":1");
        refuses("\"http://127.0.0.1:8080/use\"", "\"file:///etc/passwd\"");
        refuses("\"c0ffee\"", "\"\"");
    }

    @Test
    void namesNoKeyWhenItIsMalformedOrPrinted() throws JsonProcessingException {
        var refusal = refuses("c0ffee", "c0ffeeg");

        assertFalse(refusal.toString().contains("c0ffee"));
        assertFalse(parse(MESSAGE).toString().contains("c0ffee"));
    }

    private static IllegalArgumentException refuses(String part, String instead) {
        return assertThrows(IllegalArgumentException.class, () -> parse(MESSAGE.replace(part, instead)));
    }

    private static Staged parse(String message) throws JsonProcessingException {
        return Staged.parse(new ObjectMapper().readTree(message));
    }
}
