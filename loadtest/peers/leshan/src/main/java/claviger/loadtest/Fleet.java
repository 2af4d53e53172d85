package claviger.loadtest;

import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.eclipse.leshan.core.SecurityMode;
import org.eclipse.leshan.server.bootstrap.BootstrapConfig;
import org.eclipse.leshan.server.bootstrap.BootstrapConfig.ServerConfig;
import org.eclipse.leshan.server.bootstrap.BootstrapConfig.ServerSecurity;
import org.eclipse.leshan.server.bootstrap.BootstrapConfigStore;
import org.eclipse.leshan.server.bootstrap.InMemoryBootstrapConfigStore;
import org.eclipse.leshan.server.bootstrap.InvalidConfigurationException;
import org.eclipse.leshan.server.security.BootstrapSecurityStore;
import org.eclipse.leshan.server.security.SecurityInfo;

/**
 * The devices of a load test: their keys, and what they are given. Device 42 is {@code load-00000042} in identity,
 * certificate and endpoint name; its key is the first 16 bytes of the SHA-256 of that name. The driver computes the same.
 */
final class Fleet implements BootstrapSecurityStore {
    private static final int KEY_LENGTH = 16;
    private static final int SHORT_SERVER_ID = 1;

    private final Map<String, SecurityInfo> byName = new HashMap<>();
    private final InMemoryBootstrapConfigStore configurations = new InMemoryBootstrapConfigStore();

    /** @param certificates whether they prove themselves by certificates, and not by pre-shared keys */
    Fleet(int devices, boolean certificates) throws InvalidConfigurationException {
        for (int number = 0; number < devices; number++) {
            String name = String.format("load-%08d", number);
            byName.put(
                    name,
                    certificates
                            ? SecurityInfo.newX509CertInfo(name)
                            : SecurityInfo.newPreSharedKeyInfo(name, name, digest(name)));
            configurations.add(name, configuration(name));
        }
    }

    BootstrapConfigStore configurations() {
        return configurations;
    }

    @Override
    public List<SecurityInfo> getAllByEndpoint(String endpoint) {
        SecurityInfo found = byName.get(endpoint);
        return found == null ? null : List.of(found);
    }

    @Override
    public SecurityInfo getByIdentity(String identity) {
        return byName.get(identity);
    }

    /** An account that is written in as many exchanges as Claviger needs. */
    private static BootstrapConfig configuration(String name) {
        ServerSecurity security = new ServerSecurity();
        security.uri = "coaps://127.0.0.1:5683";
        security.securityMode = SecurityMode.PSK;
        security.publicKeyOrId = ("to-" + name).getBytes(StandardCharsets.UTF_8);
        security.secretKey = digest("to-" + name);
        security.serverPublicKey = new byte[0];
        security.serverId = SHORT_SERVER_ID;

        ServerConfig server = new ServerConfig();
        server.shortId = SHORT_SERVER_ID;

        BootstrapConfig config = new BootstrapConfig();
        // In place of the Bootstrap-Discover, which this Leshan does not know.
        config.toDelete.add("/1");
        config.security.put(1, security);
        config.servers.put(0, server);
        return config;
    }

    private static byte[] digest(String name) {
        try {
            byte[] digest = MessageDigest.getInstance("SHA-256").digest(name.getBytes(StandardCharsets.UTF_8));
            return Arrays.copyOf(digest, KEY_LENGTH);
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every Java has SHA-256", e);
        }
    }
}
