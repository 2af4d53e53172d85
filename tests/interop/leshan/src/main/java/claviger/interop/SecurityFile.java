package claviger.interop;

import java.nio.charset.StandardCharsets;
import java.security.KeyPairGenerator;
import java.security.PublicKey;
import java.security.spec.ECGenParameterSpec;
import org.eclipse.leshan.core.oscore.OscoreSetting;
import org.eclipse.leshan.servers.security.FileSecurityStore;
import org.eclipse.leshan.servers.security.SecurityInfo;

/**
 * Writes the file in which a Leshan bootstrap server demo keeps who its devices are, with the demo's own
 * {@link FileSecurityStore}: a device of each kind, and some with a pre-shared key.
 *
 * <pre>
 * SecurityFile --file FILE --key HEX [--psk N]      N devices "urn:dev:import-0" and so on, each with that key
 * </pre>
 */
public final class SecurityFile {
    /** What a name may be: beyond ASCII, and beyond the first plane, where Java writes two surrogates. */
    static final String ODD_NAME = "urn:dev:ä-\uD83D\uDD11";

    private SecurityFile() {}

    public static void main(String[] args) throws Exception {
        try {
            write(new Options(args, System::getenv));
        } catch (IllegalArgumentException e) {
            System.err.println(e.getMessage());
            System.exit(Options.USAGE);
        }
    }

    private static void write(Options options) throws Exception {
        byte[] key = Hex.parse("--key", options.required("key"));
        FileSecurityStore store = new FileSecurityStore(options.required("file"));
        for (int i = 0; i < options.number("psk", 1); i++) {
            store.add(SecurityInfo.newPreSharedKeyInfo("urn:dev:import-" + i, "identity-" + i, key));
        }
        store.add(SecurityInfo.newPreSharedKeyInfo(ODD_NAME, ODD_NAME, key));
        store.add(SecurityInfo.newRawPublicKeyInfo("urn:dev:rpk", publicKey()));
        store.add(SecurityInfo.newX509CertInfo("urn:dev:x509"));
        byte[] secret = "0123456789abcdef".getBytes(StandardCharsets.US_ASCII);
        OscoreSetting oscore = new OscoreSetting(new byte[] {1}, new byte[] {2}, secret, 10, -10, null);
        store.add(SecurityInfo.newOscoreInfo("urn:dev:oscore", oscore));
    }

    private static PublicKey publicKey() throws Exception {
        KeyPairGenerator generator = KeyPairGenerator.getInstance("EC");
        generator.initialize(new ECGenParameterSpec("secp256r1"));
        return generator.generateKeyPair().getPublic();
    }
}
