/**
 * A certificate for `localhost` and 127.0.0.1 that nobody has signed but itself, good for a hundred years. Made with
 *
 *     openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 36500 -subj /CN=localhost \
 *       -addext subjectAltName=DNS:localhost,IP:127.0.0.1 -keyout key.pem -out cert.pem
 */
export const TEST_CERTIFICATE = `-----BEGIN CERTIFICATE-----
MIIBmzCCAUGgAwIBAgIUEcH9y3Huj3eKWMnakvJfWWnsnxcwCgYIKoZIzj0EAwIw
FDESMBAGA1UEAwwJbG9jYWxob3N0MCAXDTI2MTEyMTEyMDQ1M1oYDzIxMjYxMDI4
MTIwNDUzWjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwWTATBgcqhkjOPQIBBggqhkjO
PQMBBwNCAAT1ZJETQOj+Pa2VodqDatNN4K4tNadym1PSOksbSnpAWPLrmgvUlb4k
OR/w20+7iDUaSgtgN7Gygr3VQGAcY1D4o28wbTAdBgNVHQ4EFgQU8JcIoN2JRoEU
VCG8hmBOUSIdiOcwHwYDVR0jBBgwFoAU8JcIoN2JRoEUVCG8hmBOUSIdiOcwDwYD
VR0TAQH/BAUwAwEB/zAaBgNVHREEEzARgglsb2NhbGhvc3SHBH8AAAEwCgYIKoZI
zj0EAwIDSAAwRQIgNU7CCMueB54/gci+gyd4V4BxmTImEixm4uPe20jzcmECIQCn
uliVDPmlynGLnSPKH31EIJtOIjk0LjPp+obXvoaFLg==
-----END CERTIFICATE-----`;

export const TEST_KEY = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQggOCjhZlvfc6GCMiZ
uS++tVqfMRD7aVPy6hUWGd+vx6ahRANCAAT1ZJETQOj+Pa2VodqDatNN4K4tNady
m1PSOksbSnpAWPLrmgvUlb4kOR/w20+7iDUaSgtgN7Gygr3VQGAcY1D4
-----END PRIVATE KEY-----`;
