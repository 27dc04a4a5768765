// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IConsentRegistry} from "../../contracts/interfaces/IConsentRegistry.sol";
import {IIdentityRegistry} from "../../contracts/interfaces/IIdentityRegistry.sol";
import {Consortium} from "./support/Consortium.sol";

/// @notice Emergency reading: for its purpose alone, short, counted, and the patient's to forbid.
contract BreakGlassTest is Consortium {
    bytes32 private constant REASON = keccak256("salt, unconscious");

    function test_opensReadingForItsPurposeAlone() public {
        assertFalse(emergency(ALICE, DOCTOR), "before");
        vm.prank(doctor);
        consents.breakGlass(ALICE, DOCTOR, REASON);
        assertTrue(emergency(ALICE, DOCTOR), "open");
        assertEq(consents.consentOf(ALICE, DOCTOR, ALL_LABELS, 6).flags, 8, "and shows as what it is");
        assertFalse(consents.check(ALICE, DOCTOR, ALL_LABELS, READ, TREAT, 1), "not for treatment");
        assertFalse(consents.check(ALICE, DOCTOR, ALL_LABELS, READ, TREAT | BREAK_GLASS, 1), "not for a mixture");
        assertFalse(consents.check(ALICE, DOCTOR, ALL_LABELS, UPDATE, BREAK_GLASS, 1), "not for writing");
        assertFalse(consents.check(ALICE, DOCTOR, ALL_LABELS, 6, BREAK_GLASS, 1), "6 is not an action to ask for");
        assertFalse(consents.check(ALICE, DOCTOR, ALL_LABELS, 6, TREAT, 1), "nor with another purpose");
        assertFalse(emergency(ALICE, B), "not for the colleague");
        vm.warp(NOW + consents.EMERGENCY_TERM());
        assertFalse(emergency(ALICE, DOCTOR), "closed by itself");
    }

    function test_anOrdinaryGrantIsNoEmergency() public {
        IConsentRegistry.Grant memory consent = grantOf(ALICE, DOCTOR);
        (consent.labels, consent.purposes, consent.actions) = (one(ALL_LABELS), 127, 63);
        vm.prank(alice);
        consents.grant(consent);
        assertFalse(emergency(ALICE, DOCTOR), "needs the glass");
        vm.prank(doctor);
        consents.breakGlass(ALICE, DOCTOR, REASON);
        assertTrue(consents.check(ALICE, DOCTOR, ALL_LABELS, READ, TREAT, 1), "and leaves the grant alone");
    }

    function test_byTheGranteeAndWithAReason() public {
        vm.prank(b);
        vm.expectRevert(abi.encodeWithSelector(IConsentRegistry.NotAuthorised.selector, DOCTOR, b));
        consents.breakGlass(ALICE, DOCTOR, REASON);
        vm.prank(doctor);
        vm.expectRevert(IConsentRegistry.ReasonRequired.selector);
        consents.breakGlass(ALICE, DOCTOR, 0);
        vm.prank(doctor);
        vm.expectRevert(abi.encodeWithSelector(IConsentRegistry.UnknownPatient.selector, keccak256("x")));
        consents.breakGlass(keccak256("x"), DOCTOR, REASON);
        vm.prank(alice);
        vm.expectRevert(abi.encodeWithSelector(IConsentRegistry.GranteeNotActive.selector, ALICE));
        consents.breakGlass(CAROL, ALICE, REASON);
        vm.prank(admin);
        identity.setStatus(B, IIdentityRegistry.Status.Suspended);
        vm.prank(doctor);
        vm.expectRevert(abi.encodeWithSelector(IConsentRegistry.GranteeNotActive.selector, DOCTOR));
        consents.breakGlass(ALICE, DOCTOR, REASON);
    }

    function test_onceAtATime() public {
        vm.prank(doctor);
        consents.breakGlass(ALICE, DOCTOR, REASON);
        vm.prank(doctor);
        vm.expectRevert(abi.encodeWithSelector(IConsentRegistry.GlassAlreadyBroken.selector, ALICE, DOCTOR));
        consents.breakGlass(ALICE, DOCTOR, REASON);
        vm.warp(NOW + consents.EMERGENCY_TERM());
        vm.prank(doctor);
        consents.breakGlass(ALICE, DOCTOR, REASON);
    }

    function test_thePatientEndsAndForbidsIt() public {
        vm.prank(doctor);
        consents.breakGlass(ALICE, DOCTOR, REASON);
        vm.prank(alice);
        consents.revoke(ALICE, DOCTOR, one(ALL_LABELS), 1 << 6);
        assertFalse(emergency(ALICE, DOCTOR), "ended");
        vm.prank(doctor);
        consents.breakGlass(ALICE, DOCTOR, REASON);
        vm.prank(stranger);
        vm.expectRevert(abi.encodeWithSelector(IConsentRegistry.NotAuthorised.selector, ALICE, stranger));
        consents.setEmergencyVeto(ALICE, true);
        vm.prank(alice);
        consents.setEmergencyVeto(ALICE, true);
        assertFalse(emergency(ALICE, DOCTOR), "the veto ends it");
        assertTrue(
            consents.denial(ALICE, DOCTOR, ALL_LABELS, READ, BREAK_GLASS, 1) == IConsentRegistry.Denial.NoConsent, "why"
        );
        vm.prank(b);
        vm.expectRevert(abi.encodeWithSelector(IConsentRegistry.EmergencyVetoed.selector, ALICE));
        consents.breakGlass(ALICE, B, REASON);
        vm.prank(alice);
        consents.setEmergencyVeto(ALICE, false);
        vm.prank(b);
        consents.breakGlass(ALICE, B, REASON);
        vm.prank(alice);
        consents.revokeAll(ALICE);
        assertFalse(emergency(ALICE, B), "ended with the epoch");
        vm.prank(b);
        consents.breakGlass(ALICE, B, REASON);
        assertTrue(emergency(ALICE, B), "a new emergency in the new epoch");
    }

    /// @dev As the interface warns: a veto shuts, only a revocation ends.
    function test_aVetoThatIsLiftedOpensWhatHasNotEnded() public {
        vm.prank(doctor);
        consents.breakGlass(ALICE, DOCTOR, REASON);
        vm.startPrank(alice);
        consents.setEmergencyVeto(ALICE, true);
        assertFalse(emergency(ALICE, DOCTOR), "shut");
        consents.setEmergencyVeto(ALICE, false);
        assertTrue(emergency(ALICE, DOCTOR), "open again");
        consents.revoke(ALICE, DOCTOR, one(ALL_LABELS), 1 << 6);
        consents.setEmergencyVeto(ALICE, true);
        consents.setEmergencyVeto(ALICE, false);
        vm.stopPrank();
        assertFalse(emergency(ALICE, DOCTOR), "ended for good");
    }

    function test_countedPerEntityAndDay() public {
        uint256 limit = consents.EMERGENCY_LIMIT();
        bytes32[] memory patients = new bytes32[](limit + 1);
        for (uint256 i = 0; i <= limit; ++i) {
            patients[i] = keccak256(abi.encode("patient", i));
            registerPatient(patients[i], address(0));
        }
        for (uint256 i = 0; i < limit; ++i) {
            // The practitioners of an entity count with it.
            vm.prank(i % 2 == 0 ? b : doctor);
            consents.breakGlass(patients[i], i % 2 == 0 ? B : DOCTOR, REASON);
        }
        vm.prank(doctor);
        vm.expectRevert(abi.encodeWithSelector(IConsentRegistry.EmergencyLimitReached.selector, B));
        consents.breakGlass(patients[limit], DOCTOR, REASON);
        vm.prank(a);
        consents.breakGlass(patients[limit], A, REASON);
        vm.warp((uint256(NOW) / 1 days + 1) * 1 days);
        vm.prank(doctor);
        consents.breakGlass(patients[limit], DOCTOR, REASON);
    }

    function emergency(bytes32 patient, bytes32 grantee) private view returns (bool) {
        return consents.check(patient, grantee, ALL_LABELS, READ, BREAK_GLASS, 1);
    }
}
