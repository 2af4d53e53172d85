package claviger.interop;

import java.util.HexFormat;

/** Keys in hexadecimal, whose refusals do not show them. */
final class Hex {
    private Hex() {}

    /** @throws IllegalArgumentException with a message that has the name of the value, not the value */
    static byte[] parse(String name, String hex) {
        try {
            return HexFormat.of().parseHex(hex);
        } catch (IllegalArgumentException e) {
            // Not passed on as a cause: its message quotes the key.
            throw new IllegalArgumentException(name + " is not hexadecimal");
        }
    }
}
