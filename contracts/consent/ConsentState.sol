// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IdentityClient} from "../base/IdentityClient.sol";
import {IConsentRegistry} from "../interfaces/IConsentRegistry.sol";
import {IIdentityRegistry} from "../interfaces/IIdentityRegistry.sol";
import {ConsentWord, ConsentWords} from "../libraries/ConsentWords.sol";
import {PatientAccount} from "../libraries/PatientAccounts.sol";
import {Signatures} from "../libraries/Signatures.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";

/// @notice What all decisions share: accounts, words, who decides, and whether granting is open.
abstract contract ConsentState is IConsentRegistry, EIP712, IdentityClient {
    // Literals, because the compiler works expressions out anew at each use.
    uint256 internal constant ACTIONS = 6;
    uint256 internal constant LAST_ACTION = 5;
    uint8 internal constant GRANTABLE_ACTIONS = 63;
    /// @dev The action that only `breakGlass` writes, and that can be revoked like the others.
    uint256 internal constant EMERGENCY_ACTION = 6;
    uint8 internal constant REVOCABLE_ACTIONS = 127;
    uint32 internal constant BREAK_GLASS_PURPOSE = 128;
    bytes32 internal constant ALL_LABELS = 0;
    uint256 internal constant MAX_LABELS = 64;

    bool internal _paused;
    mapping(bytes32 patient => PatientAccount) internal _accounts;
    mapping(bytes32 slot => bytes32) internal _policies;

    // ------------------------------------------------------------------ running it

    /// @inheritdoc IConsentRegistry
    function pauseGrants() external onlyAdministrator {
        _paused = true;
        emit GrantsPaused(msg.sender);
    }

    /// @inheritdoc IConsentRegistry
    function unpauseGrants() external onlyAdministrator {
        _paused = false;
        emit GrantsUnpaused(msg.sender);
    }

    /// @inheritdoc IConsentRegistry
    function grantsPaused() external view returns (bool) {
        return _paused;
    }

    /// @inheritdoc IConsentRegistry
    function controllerChanged(bytes32 patient, address controller) external {
        if (msg.sender != address(IDENTITY)) revert NotIdentityRegistry(msg.sender);
        // What the former controller has signed is void.
        _accounts[patient] = _accounts[patient].withController(controller).withRevocation();
    }

    modifier whileGranting() {
        _requireGranting();
        _;
    }

    function _requireGranting() internal view {
        address next = successor; // shares its word with _paused
        if (_paused) revert GrantsArePaused();
        if (next != address(0)) revert RetiredInFavourOf(next);
    }

    // ------------------------------------------------------------------ who decides

    /// @dev A patient with an account of its own has it here; for custody the identity registry is asked.
    function _requireSender(bytes32 patient, PatientAccount account) internal view {
        if (account.controller() == msg.sender) return;
        if (account.controller() != address(0) || !_isPatient(patient) || !IDENTITY.speaksFor(patient, msg.sender)) {
            revert NotAuthorised(patient, msg.sender);
        }
    }

    /// @dev The same for what takes rights away: a custodian that is suspended may still revoke.
    function _requireSenderToRevoke(bytes32 patient, PatientAccount account) internal view {
        if (account.controller() == msg.sender) return;
        if (account.controller() == address(0) && IDENTITY.controllerOf(patient) == msg.sender) return;
        _requireSender(patient, account);
    }

    /// @dev `_accounts[patient]` and where it lies, hashed once and in the scratch space.
    function _accountOf(bytes32 patient) internal view returns (bytes32 location, PatientAccount account) {
        assembly ("memory-safe") {
            mstore(0x00, patient)
            mstore(0x20, _accounts.slot)
            location := keccak256(0x00, 0x40)
            account := sload(location)
        }
    }

    /// @dev A revocation that is sent: the sender must decide for the patient, and what was signed before becomes void.
    function _countRevocationOfSender(bytes32 patient) internal {
        (bytes32 location, PatientAccount account) = _accountOf(patient);
        if (account.controller() != msg.sender) _requireSenderToRevoke(patient, account);
        account = account.withRevocation();
        assembly ("memory-safe") {
            sstore(location, account)
        }
    }

    /// @param giving Whether the signature gives rights; those of a custodian count only while it is active.
    function _requireSignature(
        bytes32 patient,
        PatientAccount account,
        bytes32 structHash,
        bytes calldata signature,
        bool giving
    ) internal view {
        address signer = account.controller();
        if (signer == address(0)) {
            bytes32 custodian = IDENTITY.custodianOf(patient);
            if (giving && custodian != 0 && !_isActive(custodian)) revert InvalidSignature(patient);
            if (_isPatient(patient)) signer = IDENTITY.controllerOf(patient);
        }
        if (!Signatures.isValid(signer, _hashTypedDataV4(structHash), signature)) revert InvalidSignature(patient);
    }

    function _requireInTime(uint40 deadline) internal view {
        if (block.timestamp > deadline) revert SignatureExpired(deadline);
    }

    /// @return serial The low half of the nonce.
    function _requireNonce(bytes32 patient, PatientAccount account, uint64 nonce)
        internal
        pure
        returns (uint32 serial)
    {
        serial = uint32(nonce);
        if (nonce >> 32 != account.revocations()) {
            revert InvalidNonce(patient, (uint64(account.revocations()) << 32) | serial, nonce);
        }
    }

    function _requireRevocationNonce(bytes32 patient, PatientAccount account, uint64 nonce) internal pure {
        if (nonce != account.revocations()) revert InvalidNonce(patient, account.revocations(), nonce);
    }

    function _isPatient(bytes32 id) internal view returns (bool) {
        return IDENTITY.kindOf(id) == IIdentityRegistry.Kind.Patient;
    }

    function _isInCustody(bytes32 patient, PatientAccount account) internal view returns (bool) {
        return account.controller() == address(0) && IDENTITY.custodianOf(patient) != 0;
    }

    // ------------------------------------------------------------------ words

    function _word(bytes32 patient, bytes32 grantee, bytes32 label, uint256 action)
        internal
        view
        returns (ConsentWord)
    {
        return ConsentWords.load(ConsentWords.slot(patient, grantee, label, action));
    }

    /// @dev The selector of the error that the terms deserve, or zero.
    function _fault(ConsentWord terms) internal view returns (bytes4) {
        if (terms.from() >= terms.to() || terms.to() <= block.timestamp) return InvalidPeriod.selector;
        if (terms.purposes() == 0 || terms.purposes() & BREAK_GLASS_PURPOSE != 0) return InvalidPurposes.selector;
        if (terms.categories() == 0) return InvalidCategories.selector;
        return 0;
    }

    function _requireTerms(ConsentWord terms, uint8 actions) internal view {
        bytes4 fault = _fault(terms);
        if (fault == InvalidPeriod.selector) revert InvalidPeriod(terms.from(), terms.to());
        if (fault == InvalidPurposes.selector) revert InvalidPurposes(terms.purposes());
        if (fault != 0) revert InvalidCategories();
        if (actions == 0 || actions > GRANTABLE_ACTIONS) revert InvalidActions(actions);
    }

    function _requireLabels(bytes32[] calldata labels) internal pure {
        if (labels.length == 0 || labels.length > MAX_LABELS) revert InvalidLabels();
    }

    /// @dev A decision that is sent, not signed, is ordered after what stands and after what was signed up to now.
    function _serialAfter(bytes32 patient, ConsentWord present) internal view returns (uint32 serial) {
        serial = uint32(block.timestamp);
        if (present.serial() >= serial) {
            if (present.serial() == type(uint32).max) revert InvalidNonce(patient, 0, type(uint32).max);
            serial = present.serial() + 1;
        }
    }
}
