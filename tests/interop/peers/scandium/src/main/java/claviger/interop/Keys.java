package claviger.interop;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyFactory;
import java.security.PrivateKey;
import java.security.PublicKey;
import java.security.cert.Certificate;
import java.security.cert.CertificateFactory;
import java.security.spec.PKCS8EncodedKeySpec;
import java.security.spec.X509EncodedKeySpec;
import java.util.List;
import org.eclipse.californium.elements.auth.RawPublicKeyIdentity;
import org.eclipse.californium.scandium.dtls.CertificateType;
import org.eclipse.californium.scandium.dtls.x509.CertificateProvider;
import org.eclipse.californium.scandium.dtls.x509.CertificateVerifier;
import org.eclipse.californium.scandium.dtls.x509.SingleCertificateProvider;
import org.eclipse.californium.scandium.dtls.x509.StaticCertificateVerifier;

/** The keys in the working folder. */
final class Keys {
    private Keys() {}

    static CertificateProvider rawPublicKey(String side) throws IOException, GeneralSecurityException {
        return new SingleCertificateProvider(privateKey(side), publicKey(side));
    }

    static CertificateProvider certificate(String side) throws IOException, GeneralSecurityException {
        Certificate[] chain = {certificateOf(side)};
        return new SingleCertificateProvider(privateKey(side), chain, List.of(CertificateType.X_509));
    }

    static CertificateVerifier trustedKey(String side) throws IOException, GeneralSecurityException {
        RawPublicKeyIdentity known = new RawPublicKeyIdentity(publicKey(side));
        return StaticCertificateVerifier.builder().setTrustedRPKs(known).build();
    }

    static CertificateVerifier trustedAuthority() throws IOException, GeneralSecurityException {
        return StaticCertificateVerifier.builder().setTrustedCertificates(certificateOf("ca")).build();
    }

    private static PrivateKey privateKey(String side) throws IOException, GeneralSecurityException {
        return KeyFactory.getInstance("EC").generatePrivate(new PKCS8EncodedKeySpec(bytes(side + ".key.der")));
    }

    private static PublicKey publicKey(String side) throws IOException, GeneralSecurityException {
        return KeyFactory.getInstance("EC").generatePublic(new X509EncodedKeySpec(bytes(side + ".pub.der")));
    }

    private static Certificate certificateOf(String side) throws IOException, GeneralSecurityException {
        try (var in = Files.newInputStream(Path.of(side + ".pem.der"))) {
            return CertificateFactory.getInstance("X.509").generateCertificate(in);
        }
    }

    private static byte[] bytes(String file) throws IOException {
        return Files.readAllBytes(Path.of(file));
    }
}
