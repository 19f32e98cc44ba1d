// Stands where the SDK would load several megabytes of encryption.

module.exports = {};
